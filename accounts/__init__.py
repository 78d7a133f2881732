"""Who people are: logins, agents, teams and shifts, customers, and the handles they have proven."""
