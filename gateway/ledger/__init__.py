"""The money: accounts, lots, holds, and the journal of every change. The only speaker of Redis."""
