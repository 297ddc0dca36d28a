import { config } from 'zod';

// A process reads each form a few times, and code that is made for it at run time costs more than it saves.
config({ jitless: true });
