CREATE SCHEMA IF NOT EXISTS "penstock";
--> statement-breakpoint
CREATE TABLE "penstock"."producers" (
	"stream_id" bigint NOT NULL,
	"producer_id" text collate "C" NOT NULL,
	"epoch" bigint NOT NULL,
	"last_seq" bigint NOT NULL,
	"closed_stream" boolean DEFAULT false NOT NULL,
	CONSTRAINT "producers_stream_id_producer_id_pk" PRIMARY KEY("stream_id","producer_id")
);
--> statement-breakpoint
CREATE TABLE "penstock"."segments" (
	"stream_id" bigint NOT NULL,
	"position" bigint NOT NULL,
	"data" "bytea" NOT NULL,
	CONSTRAINT "segments_stream_id_position_pk" PRIMARY KEY("stream_id","position")
);
--> statement-breakpoint
CREATE TABLE "penstock"."streams" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "penstock"."streams_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"path" text collate "C" NOT NULL,
	"content_type" text NOT NULL,
	"state" smallint DEFAULT 0 NOT NULL,
	"closed" boolean DEFAULT false NOT NULL,
	"tail" bigint NOT NULL,
	"version" bigint DEFAULT 1 NOT NULL,
	"ttl_seconds" bigint,
	"expires_at" timestamp with time zone,
	"last_access" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	"last_seq" text,
	"source_id" bigint,
	"source_path" text,
	"fork_position" bigint,
	"fork_anchor" bigint,
	"fork_sub_offset" bigint,
	"expiry_inherited" boolean DEFAULT false NOT NULL,
	"fork_count" bigint DEFAULT 0 NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX "streams_living_path" ON "penstock"."streams" USING btree ("path") WHERE state < 2;--> statement-breakpoint
CREATE INDEX "streams_dead" ON "penstock"."streams" USING btree ("id") WHERE state = 2;--> statement-breakpoint
CREATE INDEX "streams_expires_at" ON "penstock"."streams" USING btree ("expires_at") WHERE expires_at is not null and state = 0;--> statement-breakpoint
CREATE INDEX "streams_ttl" ON "penstock"."streams" USING btree ("id") WHERE ttl_seconds is not null and state = 0;