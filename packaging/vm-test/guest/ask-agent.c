/* Asks the agent on its local socket and writes the answer's body: ask-agent /driver/upgrade. Ends with 0 when a line begins with "done". */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "/run/gpu-node-agent/http.sock"};
    if (argc != 2) {
        fprintf(stderr, "usage: ask-agent PATH\n");
        return 2;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *) &address, sizeof address) != 0) {
        perror(address.sun_path);
        return 1;
    }
    dprintf(fd, "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", argv[1]);
    FILE *answer = fdopen(fd, "r");
    char line[4096];
    int done = 0;
    while (answer && fgets(line, sizeof line, answer)) {
        done |= strncmp(line, "done", 4) == 0;
        fputs(line, stdout);
        fflush(stdout);
    }
    return done ? 0 : 1;
}
