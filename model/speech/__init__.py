"""Speech to train on and to measure with: clips with what is known of them, and their waveforms."""

from model.speech.clip import SpeechClip, load_waveform, measured
from model.speech.read import Speech, read_speech

__all__ = ["Speech", "SpeechClip", "load_waveform", "measured", "read_speech"]
