export const produce: import('./command.ts').Command = { name: 'produce', summary: 'x', positionals: [], options: {}, run: async () => 0 }
