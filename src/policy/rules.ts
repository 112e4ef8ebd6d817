/**
 * Which promise a file gets by its path: compiled rules.
 *
 * Asked at each cut, on the serving path: what a directory decides is remembered, so that of most files
 * only the name is looked at.
 */

import { compilePattern } from './pattern.ts';
import type { Pattern } from './pattern.ts';
import type { PromiseDefinition } from './promise.ts';
import type { RetentionPolicy, Rule } from './retention-policy.ts';
import { TIERS } from './tier.ts';
import type { Tier } from './tier.ts';

/** Directories whose rules are remembered; then it begins anew. About 100 bytes each, and the path. */
const DEFAULT_MAX_DIRECTORIES = 10_000;

/** A path in parts. */
export interface PathParts {
  /** From the volume's root, without a slash in front or behind; "" is the root. */
  readonly directory: string;
  readonly name: string;
}

type ByTier = Readonly<Record<Tier, PromiseDefinition>>;

interface Entry {
  readonly pattern: Pattern;
  readonly promises: ByTier;
}

/** What a directory decides. */
interface DirectoryRules {
  /** Those that depend on the name, in order, in front of the first that does not. */
  readonly byName: readonly Entry[];
  /** What holds for all others. */
  readonly promises: ByTier;
}

/** INVARIANT: what means the same is the same object, so that callers may remember it by identity. */
export class Rules {
  readonly #entries: readonly Entry[];
  readonly #byTier: ByTier;
  readonly #byDirectory = new Map<string, DirectoryRules>();
  readonly #maxDirectories: number;

  constructor(
    policy: Pick<RetentionPolicy, 'ladders' | 'rules'>,
    options: { maxDirectories?: number } = {},
  ) {
    this.#maxDirectories = options.maxDirectories ?? DEFAULT_MAX_DIRECTORIES;
    this.#byTier = byTier((tier) => {
      return { tier, rule: undefined, makesVersions: true, ladder: policy.ladders[tier] };
    });
    this.#entries = policy.rules.flatMap((rule) =>
      rule.match.map((text) => {
        const promises = promisesOf(rule, { text, ladders: policy.ladders });
        return { pattern: compilePattern(text), promises };
      }),
    );
  }

  /**
   * What a file is promised: by its own tier, else by the first rule that matches, else by the session's tier.
   *
   * @param path Names as they are inside: one char a byte.
   * @param own What was set on the file itself, or inherited from a directory; it beats every rule.
   */
  resolve(path: PathParts, own: Tier | undefined, sessionTier: Tier): PromiseDefinition {
    if (own !== undefined) return this.#byTier[own];
    const rules = this.#rulesOf(path.directory);
    for (const { pattern, promises } of rules.byName) {
      if (matchesName(pattern, path)) return promises[sessionTier];
    }
    return rules.promises[sessionTier];
  }

  #rulesOf(directory: string): DirectoryRules {
    const known = this.#byDirectory.get(directory);
    if (known !== undefined) return known;
    const byName: Entry[] = [];
    let promises = this.#byTier;
    for (const entry of this.#entries) {
      const { pattern } = entry;
      if (!pattern.appliesTo(directory)) continue;
      if (pattern.name === undefined && pattern.path === undefined) {
        ({ promises } = entry);
        break;
      }
      byName.push(entry);
    }
    if (this.#byDirectory.size >= this.#maxDirectories) this.#byDirectory.clear();
    const rules = { byName, promises };
    this.#byDirectory.set(directory, rules);
    return rules;
  }
}

function matchesName(pattern: Pattern, { directory, name }: PathParts): boolean {
  if (pattern.name !== undefined) return pattern.name.test(name);
  return pattern.path?.test(directory === '' ? name : `${directory}/${name}`) ?? true;
}

/** What a rule promises, for each tier that a session may have. */
function promisesOf(
  rule: Rule,
  context: { text: string; ladders: RetentionPolicy['ladders'] },
): ByTier {
  const make = (tier: Tier): PromiseDefinition => ({
    tier,
    rule: context.text,
    makesVersions: rule.makesVersions,
    ladder: { ...context.ladders[tier], ...rule.ladder },
  });
  const { tier } = rule;
  if (tier === undefined) return byTier(make);
  const always = make(tier);
  return byTier(() => always);
}

function byTier(make: (tier: Tier) => PromiseDefinition): ByTier {
  return Object.fromEntries(TIERS.map((tier) => [tier, make(tier)])) as unknown as ByTier;
}
