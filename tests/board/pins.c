/* SPDX-License-Identifier: Apache-2.0
 * A plain program on the GPIO character device, for apps of the tests and as the measure of edges:
 *
 *   pins lines CHIP                     how many lines it has
 *   pins get CHIP OFFSET                the level of an input
 *   pins set CHIP OFFSET VALUE          drives an output, and lets go
 *   pins hold CHIP OFFSET               drives an output until that is no longer possible, and says why
 *   pins edges CHIP OFFSET PULL N       moves a line of gpio-sim N times by its file, and waits for each edge
 *   pins events SOCKET PULL N           the same by the events of the agent, which holds the line
 *   pins ask SOCKET PATH                what the agent answers to a GET
 *
 * `edges` and `events` print the median and the 99th percentile of the nanoseconds from the kernel's stamp of an edge to its
 * arrival here.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/gpio.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define MOST 10000

static int fail(const char *what)
{
	printf("%s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static int open_chip(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	return fd >= 0 ? fd : fail(path);
}

/* By the second version of the kernel's interface: newer kernels lack the first. */
static int line(int chip, int offset, uint64_t flags, int value)
{
	struct gpio_v2_line_request request = {
		.offsets = { offset }, .num_lines = 1, .consumer = "pins", .config = { .flags = flags },
	};

	if (flags & GPIO_V2_LINE_FLAG_OUTPUT) {
		request.config.num_attrs = 1;
		request.config.attrs[0].mask = 1;
		request.config.attrs[0].attr.id = GPIO_V2_LINE_ATTR_ID_OUTPUT_VALUES;
		request.config.attrs[0].attr.values = value;
	}
	if (ioctl(chip, GPIO_V2_GET_LINE_IOCTL, &request) < 0)
		fail("line");
	return request.fd;
}

static void pull(int file, int n)
{
	const char *how = n % 2 ? "pull-down" : "pull-up";

	usleep(2000); /* two without a pause between them are one edge */
	if (pwrite(file, how, strlen(how), 0) < 0)
		fail("pull");
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void told(uint64_t *times, int n)
{
	qsort(times, n, sizeof(*times), by_size);
	printf("%llu %llu\n", (unsigned long long)times[n / 2], (unsigned long long)times[n * 99 / 100]);
}

static void edges(const char *path, int offset, int file, int n)
{
	static uint64_t times[MOST];
	struct gpioevent_request request = {
		.lineoffset = offset, .handleflags = GPIOHANDLE_REQUEST_INPUT,
		.eventflags = GPIOEVENT_REQUEST_BOTH_EDGES, .consumer_label = "pins",
	};
	struct gpioevent_data event;

	if (ioctl(open_chip(path), GPIO_GET_LINEEVENT_IOCTL, &request) < 0)
		fail("event");
	for (int i = 0; i < n; i++) {
		pull(file, i);
		if (read(request.fd, &event, sizeof(event)) != sizeof(event))
			fail("read");
		times[i] = now() - event.timestamp;
	}
	told(times, n);
}

static int call(const char *path, const char *ask)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		fail(path);
	if (write(fd, ask, strlen(ask)) < 0)
		fail("write");
	return fd;
}

static void events(const char *path, int file, int n)
{
	static uint64_t times[MOST];
	static const char ask[] = "GET /v2/events?types=hardware HTTP/1.1\r\nHost: board\r\n\r\n", key[] = "\"monotonic-ns\":";
	static char seen[65536];
	int fd = call(path, ask), length = 0;

	if (read(fd, seen, sizeof(seen)) <= 0) /* the answer's head: from now on it tells */
		fail("head");
	for (int i = 0; i < n; i++) {
		char *at = NULL;

		pull(file, i);
		for (length = 0; !at;) {
			int got = read(fd, seen + length, sizeof(seen) - 1 - length);

			if (got <= 0)
				fail("events");
			times[i] = now();
			length += got;
			seen[length] = 0;
			at = strstr(seen, key);
		}
		times[i] -= strtoull(at + strlen(key), NULL, 10);
	}
	told(times, n);
}

static void ask(const char *socket, const char *path)
{
	char text[1024];
	int fd, got;

	snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: board\r\nConnection: close\r\n\r\n", path);
	for (fd = call(socket, text); (got = read(fd, text, sizeof(text))) > 0;)
		fwrite(text, 1, got, stdout);
}

int main(int argc, char **argv)
{
	const char *what = argc > 2 ? argv[1] : "";
	struct gpio_v2_line_values data = { .mask = 1 };
	struct gpiochip_info info;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!strcmp(what, "lines")) {
		if (ioctl(open_chip(argv[2]), GPIO_GET_CHIPINFO_IOCTL, &info) < 0)
			fail("info");
		printf("%u\n", info.lines);
	} else if (!strcmp(what, "get") && argc > 3) {
		if (ioctl(line(open_chip(argv[2]), atoi(argv[3]), GPIO_V2_LINE_FLAG_INPUT, 0),
			  GPIO_V2_LINE_GET_VALUES_IOCTL, &data) < 0)
			fail("get");
		printf("%u\n", (unsigned)data.bits);
	} else if (!strcmp(what, "set") && argc > 4) {
		line(open_chip(argv[2]), atoi(argv[3]), GPIO_V2_LINE_FLAG_OUTPUT, atoi(argv[4]));
	} else if (!strcmp(what, "hold") && argc > 3) {
		int fd = line(open_chip(argv[2]), atoi(argv[3]), GPIO_V2_LINE_FLAG_OUTPUT, 1);

		printf("holding\n");
		for (data.bits = 1; ioctl(fd, GPIO_V2_LINE_SET_VALUES_IOCTL, &data) == 0; usleep(50000))
			;
		printf("ended: %s\n", strerror(errno));
	} else if (!strcmp(what, "edges") && argc > 5) {
		edges(argv[2], atoi(argv[3]), open_chip(argv[4]), atoi(argv[5]));
	} else if (!strcmp(what, "events") && argc > 4) {
		events(argv[2], open_chip(argv[3]), atoi(argv[4]));
	} else if (!strcmp(what, "ask") && argc > 3) {
		ask(argv[2], argv[3]);
	} else {
		printf("usage: pins lines|get|set|hold|edges|events|ask ...\n");
		return 2;
	}
	return 0;
}
