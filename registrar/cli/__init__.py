"""What a program needs as a program: options, help, logs, output, probes and exit codes."""
