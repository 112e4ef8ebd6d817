/**
 * What travels on the control sockets about promises: tiers, holds, checkpoints, sweeps, the audit, usage.
 *
 * Rules as in protocol.ts. Durations are in milliseconds, and null is for ever: JSON knows no infinity.
 */

import type { ActorInfo } from './protocol.ts';

/** How long what is kept, in milliseconds; null is for ever. */
export interface LadderInfo {
  readonly all: number | null;
  readonly hourly: number | null;
  readonly daily: number | null;
  readonly live: number | null;
  readonly minVersions: number;
}

export interface PromiseInfo {
  readonly tier: string;
  /** The pattern of the rule it comes from; null: from the tier alone. */
  readonly rule: string | null;
  readonly makesVersions: boolean;
  readonly ladder: LadderInfo;
}

/** `GET /v1/tier?path=` */
export interface TierReply {
  readonly text: string;
  /** Chosen for it, or for a directory that it was made in; null: rules and session decide. */
  readonly own: string | null;
  readonly session: string;
  readonly promise: PromiseInfo;
  /** What older versions were promised, and are still kept for. */
  readonly earlier: readonly PromiseInfo[];
}

/** `PUT /v1/tier`; tier null takes the choice back. */
export interface SetTierRequest {
  readonly path: string;
  readonly tier: string | null;
  readonly recursive: boolean;
  readonly actor: ActorInfo;
}

export interface SetTierReply {
  /** How many files and directories have another tier now. */
  readonly changed: number;
  /** Live files below the path that keep a tier of their own. */
  readonly others: number;
  readonly tier: TierReply;
}

/** `GET /v1/tiers`: everything that somebody chose a tier for. */
export interface TierListReply {
  readonly session: string;
  readonly tiers: readonly {
    readonly path: string;
    readonly text: string;
    readonly tier: string;
  }[];
  readonly truncated: boolean;
}

/** Why one version, or a live file, is kept. */
export interface KeptInfo {
  /** ISO; null is for ever. */
  readonly keptUntil: string | null;
  /** Strongest first, for people. */
  readonly reasons: readonly string[];
  /** Its time is over: it goes with the next sweep after the grace. */
  readonly expired: boolean;
}

/** `GET /v1/why?path=&at=` */
export interface WhyReply {
  readonly text: string;
  /** undefined if the path is not live, or a directory. */
  readonly live: KeptInfo | undefined;
  readonly versions: readonly (KeptInfo & {
    readonly revision: number;
    readonly time: string;
    readonly size: number;
  })[];
  readonly graceMs: number;
  readonly tier: TierReply | undefined;
  /** What would change it, as sentences for people. */
  readonly hints: readonly string[];
}

/** `POST /v1/renew` */
export interface RenewRequest {
  readonly path: string;
  readonly actor: ActorInfo;
}

export interface RenewReply {
  readonly renewed: number;
}

export interface CheckpointInfo {
  readonly name: string;
  readonly revision: number;
  /** Of the moment that it names. */
  readonly time: string;
  readonly created: string;
  readonly actor: ActorInfo;
}

/** `POST /v1/checkpoints`; `at` as a person writes a moment, undefined is now. */
export interface CheckpointRequest {
  readonly name: string;
  readonly at?: string;
  readonly actor: ActorInfo;
}

export interface HoldInfo {
  readonly name: string;
  readonly reason: string;
  /** What it keeps, for people: "the session", "src/a.c", "src/a.c@r42", "checkpoint before-deploy". */
  readonly target: string;
  readonly created: string;
  readonly actor: ActorInfo;
}

/** `POST /v1/holds`: on a path, a version of it (`at`), a checkpoint or moment (`at` and path ""), the session. */
export interface HoldRequest {
  readonly name: string;
  readonly reason: string;
  readonly path: string;
  readonly at?: string;
  readonly actor: ActorInfo;
}

/** `POST /v1/sweep` */
export interface SweepWireRequest {
  readonly apply: boolean;
  /** Somebody has looked at the dry run: neither its size nor a doubtful clock stops it. */
  readonly confirm: boolean;
  /** Also packs what is not cold yet. */
  readonly force: boolean;
  readonly actor: ActorInfo;
}

export interface SweepReply {
  readonly applied: boolean;
  /** Why nothing was removed, or would not be. */
  readonly refusal: string | undefined;
  readonly earliest: number;
  readonly liveFiles: number;
  readonly versions: number;
  readonly inodes: number;
  readonly bytes: number;
  readonly files: readonly {
    readonly path: string;
    readonly text: string;
    readonly what: 'live' | 'versions' | 'forgotten';
    readonly versions: readonly {
      readonly revision: number;
      readonly size: number;
      readonly time: string;
    }[];
    readonly reason: string;
    readonly keptUntil: string | null;
    readonly bytes: number;
  }[];
  readonly truncated: boolean;
  /** ISO; null if nothing ever is due. */
  readonly nextDue: string | null;
  readonly clean:
    | {
        readonly packedSegments: number;
        readonly storedBytesBefore: number;
        readonly storedBytesAfter: number;
      }
    | undefined;
}

/** What the automatic sweeps of a session came to, since the daemon started. */
export interface SweepStatus {
  /** When the last one ended that was not stopped by a problem, ISO; undefined: none yet. */
  readonly last: string | undefined;
  /** What that one removed. */
  readonly versions: number;
  readonly liveFiles: number;
  readonly bytes: number;
  /** What all of them removed. */
  readonly removedVersions: number;
  /** When the next thing is due, ISO; null if nothing is. */
  readonly nextDue: string | null;
  /** Why the last one removed nothing: the clock cannot be believed, or it would have been too much. */
  readonly refusal: string | undefined;
  /** Why the last one did not come to its end. */
  readonly problem: string | undefined;
}

/** `DELETE /v1/checkpoints?name=` and `DELETE /v1/holds?name=` */
export interface RemoveNameRequest {
  readonly actor: ActorInfo;
}

/** `GET /v1/audit?limit=` and `?verify=1` */
export interface AuditReply {
  readonly entries: readonly {
    readonly revision: number;
    readonly time: string;
    readonly actor: ActorInfo;
    readonly digest: string;
    readonly confirmed: boolean;
    readonly versions: number;
    readonly bytes: number;
    readonly names: number;
    readonly files: readonly {
      readonly text: string;
      readonly reason: string;
      readonly forgotten: boolean;
      readonly versions: readonly { readonly revision: number; readonly size: number }[];
    }[];
  }[];
  readonly truncated: boolean;
  readonly check: { readonly entries: number; readonly broken: readonly number[] } | undefined;
}

/** `PUT /v1/sessions/:id/quota`: what is left out stays as it is, null is no limit; the reply is QuotaInfo. */
export interface SetQuotaRequest {
  readonly live?: number | null;
  readonly history?: number | null;
  readonly inodes?: number | null;
  readonly versions?: number | null;
  /** Also below what is used: nothing more can be written then. */
  readonly force: boolean;
}

export interface QuotaInfo {
  /** null is none. */
  readonly liveBytes: number | null;
  readonly historyBytes: number | null;
  readonly inodes: number | null;
  readonly versions: number | null;
}

/** `GET /v1/quota` */
export interface QuotaReply {
  readonly quota: QuotaInfo;
  /** What counts against it: bytes that several files or versions share count for each. */
  readonly counted: Readonly<Record<keyof QuotaInfo, number>>;
  /** Sentences: what is above 80 or 90 percent. */
  readonly warnings: readonly string[];
}

/** `GET /v1/usage?path=&shorten=MS`: bytes count once, whoever shares them. */
export interface UsageReply extends QuotaReply {
  readonly liveBytes: number;
  readonly historyBytes: number;
  /** Of that, what only checkpoints and holds keep. */
  readonly pinnedBytes: number;
  readonly reclaimableBytes: number;
  /** Log and index on disk. */
  readonly storedBytes: number;
  readonly inodes: number;
  readonly versions: number;
  /** What removing the path with its history, or keeping history shorter, would really give back. */
  readonly freedBytes: number | undefined;
}
