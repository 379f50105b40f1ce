package profiler

const maxrssUnit = 1024 // getrusage(2): ru_maxrss is in KiB
