"""The TUN device: batches of IPv6 packets in and out, the kernel's offloads, its address and route; knows no protocol."""
