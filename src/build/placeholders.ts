import { expand } from '../lib/expand.ts';
import type { ServerConfig, TrainerConfig } from '../records/program.ts';

/**
 * Refuses a command with a `${name}` that train or deploy would not know, before a machine is woken for it.
 * @param place where the command stands
 * @throws UserError naming all of them
 */
export function checkPlaceholders(config: TrainerConfig | ServerConfig, place: string): void {
  const names = config.role === 'trainer' ? ofTrainer(config) : ['model', 'models', 'host', 'port'];
  const values = Object.fromEntries(names.map((name) => [name, '']));
  const lists = config.role === 'trainer' ? { params: [] } : {};
  expand(config.command, { ...lists, ...values }, `${place}: ${config.role}.command`);
}

function ofTrainer({ params, data }: TrainerConfig): string[] {
  return [
    ...Object.keys(params).map((name) => `params.${name}`),
    ...Object.keys(data).map((name) => `data.${name}`),
    'output',
    'checkpoints',
  ];
}
