"""What a key may do: permissions, policies, risk, guardrails, presets, and what people paste. No Django."""
