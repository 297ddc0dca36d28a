import { expect, test } from '@jest/globals';
import { pathWith, programEnvironment, toolEnvironment } from '../../src/lib/environment.ts';

const machine = {
  PATH: '/bin',
  HOME: '/home/u',
  LC_ALL: 'C',
  TZ: 'UTC',
  https_proxy: 'http://p',
  HTTPS_PROXY: 'http://p',
  CUDA_VISIBLE_DEVICES: '1',
  NCCL_DEBUG: 'INFO',
  WANDB_MODE: 'offline',
  API_KEY: 'secret',
  INPUT_PARAMS: 'x',
  ACTIONS_RUNTIME_TOKEN: 'secret',
  GITHUB_TOKEN: 'secret',
  RUNNER_TEMP: '/t',
  TRAINYARD_DATA: '/data',
  UV_DEFAULT_INDEX: 'https://user:secret@index.example',
  UV_SYSTEM_PYTHON: '1',
  UNSET: undefined,
};

test('a program sees an allow-list, what it declares, and nothing of the job', () => {
  const seen = programEnvironment(machine, ['WANDB_MODE', 'GITHUB_TOKEN', 'UNSET']);
  const names = 'CUDA_VISIBLE_DEVICES HOME HTTPS_PROXY LC_ALL NCCL_DEBUG PATH TZ WANDB_MODE https_proxy';
  expect(new Set(Object.keys(seen))).toEqual(new Set(names.split(' ')));
});

test('a package tool also learns where the index is, and nothing that changes what it installs into', () => {
  const seen = toolEnvironment(machine);
  expect(seen).toMatchObject({ UV_DEFAULT_INDEX: machine.UV_DEFAULT_INDEX, NO_COLOR: '1' });
  for (const name of ['API_KEY', 'ACTIONS_RUNTIME_TOKEN', 'UV_SYSTEM_PYTHON'])
    expect(seen).not.toHaveProperty(name);
});

test('a folder goes first on a search path', () => {
  expect(pathWith('/env/bin', '/bin')).toBe('/env/bin:/bin');
  expect(pathWith('/env/bin', undefined)).toBe('/env/bin');
});
