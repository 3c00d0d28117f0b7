/**
 * Constructor parameters of classes that Nest makes must name their token by `@Inject(...)`. The bundler emits no
 * decorator metadata, so that without it Nest would hand in `undefined` and fail only when the process starts.
 * A class that its own file makes with `new` needs none.
 */
const MADE_BY_NEST = new Set(['Injectable', 'Controller', 'Catch', 'Module', 'WebSocketGateway']);

const decoratorName = ({ expression }) => (expression.type === 'CallExpression' ? expression.callee.name : expression.name) ?? '';

export const explicitInjection = {
  meta: {
    type: 'problem',
    docs: { description: 'require @Inject(token) on constructor parameters of classes that Nest makes' },
    messages: { missing: 'Write @Inject(token) before this parameter: the build emits no decorator metadata.' },
    schema: [],
  },
  create: (context) => {
    const found = [];
    const madeByHand = new Set();
    return {
      'MethodDefinition[kind="constructor"]'(node) {
        const owner = node.parent.parent;
        if (!owner.decorators?.some((decorator) => MADE_BY_NEST.has(decoratorName(decorator)))) return;
        for (const parameter of node.value.params) {
          if (!parameter.decorators?.some((decorator) => decoratorName(decorator).startsWith('Inject'))) found.push({ owner: owner.id?.name, parameter });
        }
      },
      'NewExpression[callee.type="Identifier"]': ({ callee }) => { madeByHand.add(callee.name); },
      'Program:exit': () => {
        for (const { owner, parameter } of found) {
          if (!madeByHand.has(owner)) context.report({ node: parameter, messageId: 'missing' });
        }
      },
    };
  },
};
