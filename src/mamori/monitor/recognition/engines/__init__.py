"""The engines that decode, and the gate that says whether there is speech at all."""
