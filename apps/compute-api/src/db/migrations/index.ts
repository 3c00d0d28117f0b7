import type { Migrations } from '@virga/db';
import { first } from './20261120_0001_first';

export const computeMigrations: Migrations = { '20261120_0001_first': first };
