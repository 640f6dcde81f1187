"""LoRA and adapters for several sensors at once, and how the sensors are fused."""
