module penstock/go-follower

go 1.23
