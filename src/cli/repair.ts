export const repair: import('./command.ts').Command = { name: 'repair', summary: 'x', positionals: [], options: {}, run: async () => 0 }
