"""Call control: which calls run, until when each is paid, and what each is charged."""
