"""Run a node beside a PACS: receive, super-resolve and send; or watch a folder.

::

    association ──► receive ──► waiting ──► batch loop ──► sending ──► receivers
                       │           │                          │
                       ▼           ▼                          ▼
                    answer       left/                  sent/ or dead/

The queue is a folder on disk with a subfolder for each state. An entry is a folder in
the subfolder of its state. One rename moves an entry to its next state, so each entry
has exactly one state, even after a kill.
"""
