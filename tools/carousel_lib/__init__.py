"""What tools/carousel is made of: images, hosts, the console protocol, the run itself."""
