"""What the box knows of people: schedules, forwarding, voicemail."""
