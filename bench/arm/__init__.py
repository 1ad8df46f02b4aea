"""What the NEON kernels cost on 64-bit ARM, on any machine: by llvm-mca and by counts of qemu."""
