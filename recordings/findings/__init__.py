"""What the words say: signs of danger in a patient's answer, findings in an agent's."""
