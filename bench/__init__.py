"""The benchmark: what the controller spends on a fleet, beside bare SSH and beside Ansible."""
