// host calls the Go code of package embed: of the library that is its argument, or linked in when
// there is none. Further libraries are loaded, and their goroutines started. It goes on until its standard input ends, and prints how much CPU time its own
// function burn has used.
#include <dlfcn.h>
#include <poll.h>
#include <stdio.h>
#include <time.h>

static long long cpu(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static volatile unsigned long long sink;

__attribute__((noinline)) long long burn(int ms)
{
	long long begin = cpu(), end = begin + ms * 1000000LL, now;

	while ((now = cpu()) < end)
		for (int i = 0; i < 10000; i++)
			sink = sink * 31 + i;
	return now - begin;
}

int main(int argc, char **argv)
{
	struct pollfd in = { .fd = 0, .events = POLLIN };
	long long burnt = 0;
	void *lib = dlopen(argc > 1 ? argv[1] : NULL, RTLD_NOW);
	void (*start)(void);
	int (*call)(int);

	if (!lib || !(start = dlsym(lib, "Start")) || !(call = dlsym(lib, "Call"))) {
		fprintf(stderr, "host: %s\n", dlerror());
		return 1;
	}
	start();
	for (int i = 2; i < argc; i++) {
		lib = dlopen(argv[i], RTLD_NOW);
		if (lib && (start = dlsym(lib, "Start")))
			start();
	}
	printf("ready\n");
	fflush(stdout);
	while (!poll(&in, 1, 5)) {
		call(5);
		burnt += burn(5);
	}
	printf("{\"burn_ns\": %lld}\n", burnt);
	return 0;
}
