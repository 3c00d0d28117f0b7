import type { TestMariaDb } from './mariadb';

/** What the network service publishes for compute, as tables in a story's own schema. Returns how to say which groups the ports of an instance have. */
export async function createNetworkViews(mariadb: TestMariaDb, schema: string): Promise<{ setGroups(instanceId: string, names: readonly string[]): Promise<void> }> {
  await mariadb.execute(`CREATE TABLE ${schema}.server_addresses (instance_id CHAR(36), port_id CHAR(36), network_name VARCHAR(255), mac_addr VARCHAR(17), address VARCHAR(45), version INT, type VARCHAR(8), port_position INT, address_position INT)`);
  await mariadb.execute(`CREATE TABLE ${schema}.server_security_groups (instance_id CHAR(36), name VARCHAR(255), KEY (instance_id))`);
  return {
    async setGroups(instanceId, names) {
      await mariadb.execute(`DELETE FROM ${schema}.server_security_groups WHERE instance_id = '${instanceId}'`);
      if (names.length > 0) await mariadb.execute(`INSERT INTO ${schema}.server_security_groups VALUES ${names.map((name) => `('${instanceId}', '${name}')`).join(', ')}`);
    },
  };
}
