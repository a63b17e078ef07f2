"""From what is asked for to what is played: experiments, cells, and what starts from where."""
