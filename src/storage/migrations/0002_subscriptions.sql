CREATE TABLE "penstock"."keys" (
	"kid" text PRIMARY KEY NOT NULL,
	"purpose" text NOT NULL,
	"jwk" text NOT NULL,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	"retired_at" timestamp with time zone
);
--> statement-breakpoint
CREATE TABLE "penstock"."new_streams" (
	"stream_id" bigint PRIMARY KEY NOT NULL
);
--> statement-breakpoint
CREATE TABLE "penstock"."subscription_audit" (
	"id" smallint PRIMARY KEY NOT NULL,
	"stream_id" bigint DEFAULT 0 NOT NULL,
	"subscription_id" bigint DEFAULT 0 NOT NULL,
	"next_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "penstock"."subscription_links" (
	"subscription_id" bigint NOT NULL,
	"path" text collate "C" NOT NULL,
	"explicit" boolean NOT NULL,
	"glob" boolean NOT NULL,
	"stream_id" bigint,
	"acked" bigint NOT NULL,
	"pending" boolean DEFAULT false NOT NULL,
	"reattached" bigint DEFAULT 0 NOT NULL,
	CONSTRAINT "subscription_links_subscription_id_path_pk" PRIMARY KEY("subscription_id","path")
);
--> statement-breakpoint
CREATE TABLE "penstock"."subscriptions" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "penstock"."subscriptions_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"name" text collate "C" NOT NULL,
	"type" text NOT NULL,
	"pattern" text collate "C",
	"pattern_regex" text,
	"pattern_prefix" text collate "C",
	"pattern_suffix" text collate "C",
	"webhook_url" text,
	"wake_stream" text collate "C",
	"lease_ttl_ms" bigint NOT NULL,
	"description" text,
	"config_hash" text NOT NULL,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	"deleted_at" timestamp with time zone,
	"generation" bigint DEFAULT 0 NOT NULL,
	"phase" smallint DEFAULT 0 NOT NULL,
	"wake_id" text,
	"holder" text,
	"due_at" timestamp with time zone,
	"failures" bigint DEFAULT 0 NOT NULL,
	"failing_since" timestamp with time zone
);
--> statement-breakpoint
CREATE INDEX "subscription_links_stream" ON "penstock"."subscription_links" USING btree ("stream_id","subscription_id");--> statement-breakpoint
CREATE INDEX "subscription_links_path" ON "penstock"."subscription_links" USING btree ("path");--> statement-breakpoint
CREATE INDEX "subscription_links_pending" ON "penstock"."subscription_links" USING btree ("subscription_id","path") WHERE pending;--> statement-breakpoint
CREATE UNIQUE INDEX "subscriptions_living_name" ON "penstock"."subscriptions" USING btree ("name") WHERE deleted_at is null;--> statement-breakpoint
CREATE INDEX "subscriptions_due" ON "penstock"."subscriptions" USING btree ("due_at") WHERE due_at is not null;--> statement-breakpoint
CREATE INDEX "subscriptions_pattern" ON "penstock"."subscriptions" USING btree ("pattern_prefix","pattern_suffix") WHERE deleted_at is null and pattern is not null;--> statement-breakpoint
CREATE INDEX "subscriptions_deleted" ON "penstock"."subscriptions" USING btree ("deleted_at") WHERE deleted_at is not null;