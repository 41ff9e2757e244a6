"""What Kappa does on a Kafka cluster, against raw aiokafka and two frameworks on the same machine.

`make bench-kafka` starts brokers of its own on free ports, measures, prints a Markdown table,
writes JSON, and stops everything. Absolute figures move with the machine and its neighbours; what
counts are the ratios, taken in the same round.

    __main__ ─▶ rows, each: what, goal, figures ─▶ report (table, JSON)
                 └ races ─▶ members: each contender in its own process
                 └ probing: utterances at a rate, and when their answers were seen
"""
