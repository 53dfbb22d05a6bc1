"""What is measured beside the questions: forgetting, distractors, cold start and memory.

A probe is handed finished arms or generators and a folder of its own, keeps append-only
records there and goes on where it stopped. It knows no workspace and no configuration.
`graft.probing` is the user.
"""
