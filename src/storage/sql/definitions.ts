/**
 * The SQL of the database, as text: one executable carries it. Each file holds one object and says what
 * that promises.
 *
 * `steps/` are the numbered changes of tables, types and data. One that has been released is never
 * edited. Functions, views and triggers are not in steps: their files hold their current text, and
 * `migrate` applies all of them again when any has changed. A function keeps its name, arguments and result
 * while a node of the release before may call it; docs/decisions.md has the rules for a rolling upgrade.
 */
import baseline from "./steps/0001_baseline.sql" with { type: "text" };
import accessTokens from "./steps/0002_access_tokens.sql" with { type: "text" };
import retention from "./steps/0003_retention.sql" with { type: "text" };
import list from "./steps/0004_list.sql" with { type: "text" };
import tenants from "./steps/0005_tenants.sql" with { type: "text" };
import limits from "./steps/0006_limits.sql" with { type: "text" };
import move from "./steps/0007_move.sql" with { type: "text" };
import ackWake from "./functions/ack_wake.sql" with { type: "text" };
import addKey from "./functions/add_key.sql" with { type: "text" };
import addStreams from "./functions/add_streams.sql" with { type: "text" };
import addUrlKey from "./functions/add_url_key.sql" with { type: "text" };
import backfillLinks from "./functions/backfill_links.sql" with { type: "text" };
import beginDelivery from "./functions/begin_delivery.sql" with { type: "text" };
import changedStreams from "./functions/changed_streams.sql" with { type: "text" };
import claimWake from "./functions/claim_wake.sql" with { type: "text" };
import commitAppend from "./functions/commit_append.sql" with { type: "text" };
import commitAppends from "./functions/commit_appends.sql" with { type: "text" };
import confirmDelivery from "./functions/confirm_delivery.sql" with { type: "text" };
import countProducers from "./functions/count_producers.sql" with { type: "text" };
import countStored from "./functions/count_stored.sql" with { type: "text" };
import createAccessToken from "./functions/create_access_token.sql" with { type: "text" };
import createFork from "./functions/create_fork.sql" with { type: "text" };
import createStreams from "./functions/create_streams.sql" with { type: "text" };
import createSubscription from "./functions/create_subscription.sql" with { type: "text" };
import deleteSubscription from "./functions/delete_subscription.sql" with { type: "text" };
import deleteTrimmed from "./functions/delete_trimmed.sql" with { type: "text" };
import deliveryLimit from "./functions/delivery_limit.sql" with { type: "text" };
import endWake from "./functions/end_wake.sql" with { type: "text" };
import expireProducers from "./functions/expire_producers.sql" with { type: "text" };
import failDelivery from "./functions/fail_delivery.sql" with { type: "text" };
import findRetentionCuts from "./functions/find_retention_cuts.sql" with { type: "text" };
import findSmallSegments from "./functions/find_small_segments.sql" with { type: "text" };
import forkChain from "./functions/fork_chain.sql" with { type: "text" };
import generationAt from "./functions/generation_at.sql" with { type: "text" };
import grownStreams from "./functions/grown_streams.sql" with { type: "text" };
import hasPending from "./functions/has_pending.sql" with { type: "text" };
import isExpired from "./functions/is_expired.sql" with { type: "text" };
import issueWake from "./functions/issue_wake.sql" with { type: "text" };
import issueWakes from "./functions/issue_wakes.sql" with { type: "text" };
import labelledStreams from "./functions/labelled_streams.sql" with { type: "text" };
import linkExplicitly from "./functions/link_explicitly.sql" with { type: "text" };
import listPaths from "./functions/list_paths.sql" with { type: "text" };
import listStreams from "./functions/list_streams.sql" with { type: "text" };
import listSubscriptions from "./functions/list_subscriptions.sql" with { type: "text" };
import loadProducers from "./functions/load_producers.sql" with { type: "text" };
import loadStates from "./functions/load_states.sql" with { type: "text" };
import lockKey from "./functions/lock_key.sql" with { type: "text" };
import lockStreams from "./functions/lock_streams.sql" with { type: "text" };
import markPending from "./functions/mark_pending.sql" with { type: "text" };
import markRestored from "./functions/mark_restored.sql" with { type: "text" };
import mergeSegments from "./functions/merge_segments.sql" with { type: "text" };
import namedEntries from "./functions/named_entries.sql" with { type: "text" };
import needsRenewal from "./functions/needs_renewal.sql" with { type: "text" };
import noteNewStreams from "./functions/note_new_streams.sql" with { type: "text" };
import noteTrims from "./functions/note_trims.sql" with { type: "text" };
import packSegments from "./functions/pack_segments.sql" with { type: "text" };
import pathEnds from "./functions/path_ends.sql" with { type: "text" };
import readSegments from "./functions/read_segments.sql" with { type: "text" };
import rebuildSegmentIndex from "./functions/rebuild_segment_index.sql" with { type: "text" };
import reconcileLinks from "./functions/reconcile_links.sql" with { type: "text" };
import refreshSubscription from "./functions/refresh_subscription.sql" with { type: "text" };
import releaseWake from "./functions/release_wake.sql" with { type: "text" };
import removeStream from "./functions/remove_stream.sql" with { type: "text" };
import renewTtls from "./functions/renew_ttls.sql" with { type: "text" };
import retentionCut from "./functions/retention_cut.sql" with { type: "text" };
import revokeAccessToken from "./functions/revoke_access_token.sql" with { type: "text" };
import revokeUrlKey from "./functions/revoke_url_key.sql" with { type: "text" };
import rotateKey from "./functions/rotate_key.sql" with { type: "text" };
import segmentOwner from "./functions/segment_owner.sql" with { type: "text" };
import streamForks from "./functions/stream_forks.sql" with { type: "text" };
import streamProducers from "./functions/stream_producers.sql" with { type: "text" };
import streamSubscriptions from "./functions/stream_subscriptions.sql" with { type: "text" };
import subscriptionMatches from "./functions/subscription_matches.sql" with { type: "text" };
import sweepProducers from "./functions/sweep_producers.sql" with { type: "text" };
import takeDue from "./functions/take_due.sql" with { type: "text" };
import terminateStream from "./functions/terminate_stream.sql" with { type: "text" };
import tokenTenant from "./functions/token_tenant.sql" with { type: "text" };
import trimStreams from "./functions/trim_streams.sql" with { type: "text" };
import usage from "./functions/usage.sql" with { type: "text" };
import wakeStreams from "./functions/wake_streams.sql" with { type: "text" };
import streamEntries from "./views/stream_entries.sql" with { type: "text" };
import streamStates from "./views/stream_states.sql" with { type: "text" };
import noteNewStreamsTrigger from "./triggers/note_new_streams.sql" with { type: "text" };

/** A numbered change of the tables. Its statements end with a semicolon and an empty line. */
export interface Step {
  /** `0001_baseline`: its number, and what it is about. */
  readonly name: string;
  readonly sql: string;
}

export const STEPS: readonly Step[] = [
  { name: "0001_baseline", sql: baseline },
  { name: "0002_access_tokens", sql: accessTokens },
  { name: "0003_retention", sql: retention },
  { name: "0004_list", sql: list },
  { name: "0005_tenants", sql: tenants },
  { name: "0006_limits", sql: limits },
  { name: "0007_move", sql: move },
];

/**
 * One statement each, in an order in which they can be made: PostgreSQL reads the bodies of SQL
 * functions when it makes them, and those of plpgsql when they are called.
 */
export const DEFINITIONS: readonly string[] = [
  // What the view is made of.
  lockKey,
  isExpired,
  needsRenewal,
  streamStates,
  streamEntries,
  // What SQL functions call.
  deliveryLimit,
  pathEnds,
  subscriptionMatches,
  forkChain,
  generationAt,
  segmentOwner,
  noteTrims,
  hasPending,
  markPending,
  issueWake,
  linkExplicitly,
  endWake,
  noteNewStreams,
  noteNewStreamsTrigger,
  // The rest, in any order.
  ackWake,
  addKey,
  addStreams,
  addUrlKey,
  backfillLinks,
  beginDelivery,
  changedStreams,
  claimWake,
  commitAppend,
  commitAppends,
  confirmDelivery,
  countProducers,
  countStored,
  createAccessToken,
  createFork,
  createStreams,
  createSubscription,
  deleteSubscription,
  deleteTrimmed,
  expireProducers,
  failDelivery,
  findRetentionCuts,
  findSmallSegments,
  grownStreams,
  issueWakes,
  labelledStreams,
  listPaths,
  listStreams,
  listSubscriptions,
  loadProducers,
  loadStates,
  lockStreams,
  markRestored,
  mergeSegments,
  namedEntries,
  packSegments,
  readSegments,
  rebuildSegmentIndex,
  reconcileLinks,
  refreshSubscription,
  releaseWake,
  removeStream,
  renewTtls,
  retentionCut,
  revokeAccessToken,
  revokeUrlKey,
  rotateKey,
  streamForks,
  streamProducers,
  streamSubscriptions,
  sweepProducers,
  takeDue,
  terminateStream,
  tokenTenant,
  trimStreams,
  usage,
  wakeStreams,
];
