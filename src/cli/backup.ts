export const backup: import('./command.ts').Command = { name: 'backup', summary: 'x', positionals: [], options: {}, run: async () => 0 }
