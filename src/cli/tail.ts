export const tail: import('./command.ts').Command = { name: 'tail', summary: 'x', positionals: [], options: {}, run: async () => 0 }
