<?php
if ($_SERVER['REQUEST_URI'] === '/slow') {
    usleep(50000);
}
echo getmypid();
