-- Plans that are made once, as in 0005, for what creates streams and for the look that follows every
-- commit. Without arrays that are known a plan for a small table reads all of it, and stays until the
-- table is analyzed: in a new database's first minute 3,500 streams were created in a second, where
-- 17,000 are with an index.
alter function penstock.create_streams(
  text[], text[], bigint[], bigint[], boolean[], bigint[], text[], bigint[], integer[], integer[], bytea
) set plan_cache_mode = force_generic_plan;
--> statement-breakpoint
alter function penstock.create_streams(
  text[], text[], bigint[], bigint[], boolean[], bigint[], text[], bigint[], integer[], integer[], bytea
) set enable_seqscan = off;
--> statement-breakpoint
alter function penstock.look_for_wakes(bigint[]) set plan_cache_mode = force_generic_plan;
--> statement-breakpoint
alter function penstock.look_for_wakes(bigint[]) set enable_seqscan = off;
--> statement-breakpoint
alter function penstock.slide(bigint[]) set plan_cache_mode = force_generic_plan;
--> statement-breakpoint
alter function penstock.slide(bigint[]) set enable_seqscan = off;
