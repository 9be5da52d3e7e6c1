"""The market of the recording: its sessions and its data, without look-ahead."""
