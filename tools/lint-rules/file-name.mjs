/** Files are named in kebab-case by their verb or resource; a name that says nothing collects everything. */
import { basename, sep } from 'node:path';

const KEBAB = /^[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9]+(-[a-z0-9]+)*)*$/;
const EMPTY_WORDS = /^(.*-)?(utils?|helpers?|managers?)$|^(common|base|misc|shared)$/;

export const fileName = {
  meta: {
    type: 'problem',
    docs: { description: 'kebab-case file names that say what is in the file' },
    messages: {
      empty: 'The name "{{word}}" says nothing about what is in the file; name it by its verb or resource.',
      form: 'Write the file name in kebab-case.',
    },
    schema: [],
  },
  create: (context) => ({
    Program(node) {
      const name = basename(context.filename);
      const folders = context.filename.slice(context.cwd.length).split(sep).slice(0, -1);
      const word = [...folders, name.split('.')[0]].find((part) => EMPTY_WORDS.test(part));
      if (word) context.report({ node, messageId: 'empty', data: { word } });
      // Names of migrations are recorded in databases; they stay as they were first written.
      if (!folders.includes('migrations') && !KEBAB.test(name)) context.report({ node, messageId: 'form' });
    },
  }),
};
