// host calls the Go code of package embed: of the library that is its argument, or linked in when
// there is none. Further libraries are loaded, and their goroutines started; those behind "later" once it has
// used half a second there. It goes on until its standard input ends, and prints how much CPU time its own function burn has used.
#include <dlfcn.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
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

static char **load(char **path)
{
	for (; *path && strcmp(*path, "later"); path++) {
		void *lib = dlopen(*path, RTLD_NOW);
		void (*start)(void);

		if (lib && (start = dlsym(lib, "Start")))
			start();
	}
	return *path ? path + 1 : path;
}

int main(int argc, char **argv)
{
	struct pollfd in = { .fd = 0, .events = POLLIN };
	long long burnt = 0;
	void *lib = dlopen(argc > 1 ? argv[1] : NULL, RTLD_NOW);
	void (*start)(void);
	int (*call)(int);
	char **later = NULL;

	if (!lib || !(start = dlsym(lib, "Start")) || !(call = dlsym(lib, "Call"))) {
		fprintf(stderr, "host: %s\n", dlerror());
		return 1;
	}
	start();
	if (argc > 2)
		later = load(argv + 2);
	printf("ready\n");
	fflush(stdout);
	while (!poll(&in, 1, 5)) {
		call(5);
		burnt += burn(5);
		if (later && burnt > 500000000)
			later = load(later);
	}
	printf("{\"burn_ns\": %lld}\n", burnt);
	return 0;
}
