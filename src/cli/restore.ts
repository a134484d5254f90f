export const restore: import('./command.ts').Command = { name: 'restore', summary: 'x', positionals: [], options: {}, run: async () => 0 }
