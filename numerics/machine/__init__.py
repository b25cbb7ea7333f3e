"""What a run has of the machine: threads, BLAS and LAPACK, work arrays, memory, files."""
