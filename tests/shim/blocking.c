/* A server of the plainest kind: one thread, blocking accept. Exits 42 when a signal interrupts it. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void on_term(int signal) { (void)signal; }

int main(int argc, char **argv)
{
    struct sigaction action = {.sa_handler = on_term};
    sigaction(SIGTERM, &action, NULL);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(atoi(argv[argc - 1])),
                                  .sin_addr.s_addr = htonl(INADDR_ANY)};
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) || listen(fd, 5)) {
        perror("bind, listen");
        return 1;
    }
    if (fcntl(fd, F_GETFD) != FD_CLOEXEC) {
        fprintf(stderr, "close-on-exec was lost\n");
        return 2;
    }
    if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK) || fcntl(fd, F_GETFL) & O_NONBLOCK) {
        fprintf(stderr, "the listener does not block\n");
        return 3;
    }
    for (;;) {
        char request[512], answer[128];
        int client = accept(fd, NULL, NULL);
        if (client < 0) {
            if (errno == EINTR)
                return 42;
            perror("accept");
            return 4;
        }
        if (read(client, request, sizeof request) < 0)
            perror("read");
        int size = snprintf(answer, sizeof answer, "HTTP/1.0 200 OK\r\n\r\n%d", getpid());
        if (write(client, answer, size) != size)
            perror("write");
        close(client);
    }
}
