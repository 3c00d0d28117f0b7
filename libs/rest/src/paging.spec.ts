import { readSort } from './paging';

const sort = (query: Parameters<typeof readSort>[0]) => readSort(query, ['name', 'id'], [['id', 'desc']]);

it.each<[Parameters<typeof readSort>[0], [string, string][]]>([
  [{}, [['id', 'desc']]],
  [{ sort_key: 'name' }, [['name', 'desc']]],
  [{ sort_key: ['name', 'id'], sort_dir: ['asc'] }, [['name', 'asc'], ['id', 'desc']]],
  [{ sort: 'name:desc,id' }, [['name', 'desc'], ['id', 'asc']]],
])('reads the order of %j', (query, pairs) => {
  expect(sort(query)).toEqual(pairs);
});

it.each([[{ sort_key: 'nosuch' }], [{ sort_key: '__proto__' }], [{ sort_dir: 'up' }], [{ sort_key: 'name', sort_dir: 'up' }], [{ sort: 'name:up' }]])('refuses the order of %j', (query) => {
  expect(() => sort(query)).toThrow(expect.objectContaining({ status: 400 }));
});
