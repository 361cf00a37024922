"""What the box knows of people: forwarding, voicemail."""
