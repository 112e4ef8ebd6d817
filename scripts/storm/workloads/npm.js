/**
 * npm at work, without a network: packages from local archives, its cache on the mount as well.
 */

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { labelledText } from '../random.js';

export const processes = 1;

const PACKAGES = 8;
const FILES_EACH = 25;

const LIST = `find . -type f ! -path './cache/*' | sort | xargs sha256sum; find . -type l ! -path './cache/*' -printf '%p %l\\n' | sort`;
const SCRIPT = `
rm -rf project cache home
mkdir project cache home
cd project
cp -r "$ARCHIVES" archives
cp archives/package.json package.json
export npm_config_cache="$PWD/../cache" HOME="$PWD/../home" npm_config_update_notifier=false
npm install --offline --no-audit --no-fund --loglevel=error > /dev/null
npm ci --offline --no-audit --no-fund --loglevel=error > /dev/null
npm ls --all --parseable | sed "s,^$PWD,," | sort
npm uninstall --offline --no-audit --no-fund --loglevel=error storm-0 > /dev/null
${LIST}
`;

export async function prepare(context) {
  const { tally, plain } = context;
  const archives = join(plain, 'archives');
  mkdirSync(archives);
  const dependencies = {};
  for (let index = 0; index < PACKAGES; index += 1) {
    const name = `storm-${index}`;
    const dir = join(plain, 'package');
    mkdirSync(join(dir, 'lib'), { recursive: true });
    const manifest = { name, version: '1.0.0', bin: { [name]: 'lib/0.js' } };
    writeFileSync(join(dir, 'package.json'), JSON.stringify(manifest));
    for (let file = 0; file < FILES_EACH; file += 1) {
      const text = labelledText(
        `// ${name} ${file}`,
        40 + ((index * 7919 + file * 104_729) % 9000),
      );
      writeFileSync(join(dir, 'lib', `${file}.js`), text);
    }
    tally.shell('tar', `tar czf archives/${name}.tgz package; rm -r package`, { cwd: plain });
    dependencies[name] = `file:archives/${name}.tgz`;
  }
  const project = { name: 'project', version: '1.0.0', dependencies };
  writeFileSync(join(archives, 'package.json'), JSON.stringify(project));
  context.keep('expected', perform(context, plain));
}

const perform = ({ tally, plain }, cwd) =>
  tally.shell('npm', SCRIPT, { cwd, env: { ARCHIVES: join(plain, 'archives') } });

export async function work(context) {
  const expected = context.recall('expected', 0);
  while (!context.isOver()) {
    const seen = perform(context, context.dir);
    if (seen !== undefined) context.tally.expect('what npm installed', seen, expected);
  }
}

export async function verify(context) {
  const ask = (cwd) => context.tally.shell('list', `cd project; ${LIST}`, { cwd });
  context.tally.expect('the project', ask(context.dir), ask(context.plain));
}
