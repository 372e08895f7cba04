module penstock/client-probe

go 1.23

require github.com/durable-streams/durable-streams/packages/client-go v0.1.0
