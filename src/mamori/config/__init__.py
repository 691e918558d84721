"""What a firm decides, as files: settings, policy, phrases and the model catalogue."""
