import { z } from 'zod';
import { json } from '../lib/json.ts';
import { strict } from '../lib/strict.ts';
import { settingName } from '../records/names.ts';
import { target } from '../records/target.ts';

/** `environments/NAME.yml`: where a release runs, and with which configuration. */
export const environmentSchema = strict({
  target: target.describe('Where the release runs'),
  config: z
    .record(settingName, json)
    .default({})
    .describe('Configuration values; the server gets them as environment variables'),
  secrets: z.array(settingName).default([]).describe('Names of secrets; the deploy step gives the values'),
});
export type EnvironmentFile = z.infer<typeof environmentSchema>;
