"""Analysis challenges: public training data, hidden truth, checked and scored submissions, leaderboards with honest ranks."""
