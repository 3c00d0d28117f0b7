import { distinctSubjects } from './revoker';

describe('distinctSubjects', () => {
  test('each once', () => {
    expect(distinctSubjects([{ userId: 'a' }, { userId: 'a' }, { auditId: 'x' }, { auditId: 'x' }, { projectId: 'p' }])).toEqual([{ userId: 'a' }, { auditId: 'x' }, { projectId: 'p' }]);
  });

  test('a whole user covers the user in projects, and nobody else', () => {
    expect(distinctSubjects([{ userId: 'a', projectId: 'p' }, { userId: 'b', projectId: 'p' }, { userId: 'a' }])).toEqual([{ userId: 'b', projectId: 'p' }, { userId: 'a' }]);
  });
});
