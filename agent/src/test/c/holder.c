/*
 * Holds a device node in one of the ways in which a process can, says "ready", and ends with its standard input.
 *
 *   holder fd NODE        an open descriptor
 *   holder deleted NODE   the same, and the node's name is removed
 *   holder map NODE       a private mapping whose descriptor is closed
 *   holder both NODE      a mapping and its descriptor
 *   holder thread NODE    a descriptor of a thread that has a table of its own
 *   holder leaderless NODE  a descriptor of a process whose first thread has ended
 *   holder zombie NODE    a child that has ended and is not waited for; holds nothing
 *   holder sleeping NODE  an open descriptor, and uninterruptible sleep: that of a parent whose vfork has not ended
 *   holder ring NODE      an io_uring, in which files can be registered; does not open the node
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/io_uring.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char *node;

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static int open_node(void)
{
    int fd = open(node, O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        fail(node);
    }
    return fd;
}

static void ready_and_wait(void)
{
    char byte;
    printf("ready\n");
    fflush(stdout);
    while (read(0, &byte, 1) > 0) {
    }
    exit(0);
}

/* In the child of a vfork: no call of the C library that changes anything of the parent's. */
static void ready_when_asleep(const char *stat)
{
    static char text[64];
    char byte;
    for (;;) {
        int fd = open(stat, O_RDONLY);
        ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
        if (fd >= 0) {
            close(fd);
        }
        if (length > 0 && memmem(text, length, ") D", 3) != NULL) {
            break;
        }
    }
    if (write(1, "ready\n", 6) == 6) {
        while (read(0, &byte, 1) > 0) {
        }
    }
    _exit(0);
}

static void *own_table(void *unused)
{
    if (unshare(CLONE_FILES) != 0) {
        fail("unshare");
    }
    open_node();
    ready_and_wait();
    return unused;
}

static void *shared_table(void *unused)
{
    open_node();
    ready_and_wait();
    return unused;
}

int main(int argc, char **argv)
{
    pthread_t thread;
    if (argc != 3) {
        return 2;
    }
    node = argv[2];
    if (strcmp(argv[1], "fd") == 0) {
        open_node();
    } else if (strcmp(argv[1], "deleted") == 0) {
        open_node();
        if (unlink(node) != 0) {
            fail("unlink");
        }
    } else if (strcmp(argv[1], "map") == 0 || strcmp(argv[1], "both") == 0) {
        int fd = open_node();
        if (mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0) == MAP_FAILED) {
            fail("mmap");
        }
        if (strcmp(argv[1], "map") == 0) {
            close(fd);
        }
    } else if (strcmp(argv[1], "thread") == 0) {
        if (pthread_create(&thread, NULL, own_table, NULL) != 0) {
            fail("pthread_create");
        }
        for (;;) {
            pause();
        }
    } else if (strcmp(argv[1], "leaderless") == 0) {
        if (pthread_create(&thread, NULL, shared_table, NULL) != 0) {
            fail("pthread_create");
        }
        pthread_exit(NULL);
    } else if (strcmp(argv[1], "zombie") == 0) {
        pid_t child = fork();
        if (child == 0) {
            _exit(0);
        }
    } else if (strcmp(argv[1], "sleeping") == 0) {
        static char stat[64];
        snprintf(stat, sizeof stat, "/proc/%d/stat", getpid());
        open_node();
        if (vfork() == 0) {
            ready_when_asleep(stat);
        }
        exit(0);
    } else if (strcmp(argv[1], "ring") == 0) {
        struct io_uring_params parameters;
        memset(&parameters, 0, sizeof parameters);
        if (syscall(SYS_io_uring_setup, 4, &parameters) < 0) {
            printf("no io_uring\n");
            return 1;
        }
    } else {
        return 2;
    }
    ready_and_wait();
    return 0;
}
